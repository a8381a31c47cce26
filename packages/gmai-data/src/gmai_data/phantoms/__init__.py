"""Practice datasets that the package draws itself, in the file formats of real ones."""
