"""DICOM, NIfTI and raster files ▶ 8-bit 2-D pictures in one display convention; masks ▶ boxes."""
