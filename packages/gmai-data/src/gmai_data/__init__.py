"""Raw medical datasets ▶ standardised records ▶ instruction samples. Start reading at `build.py`."""
