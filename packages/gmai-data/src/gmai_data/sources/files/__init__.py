"""Files as they lie on disk, read as pixels or rows: pictures, volumes, slides, videos, arrays and tables."""
