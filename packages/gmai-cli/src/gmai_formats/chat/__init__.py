"""The one client for models behind an OpenAI-compatible API: live requests, files and batches. Start at `driver.py`."""
