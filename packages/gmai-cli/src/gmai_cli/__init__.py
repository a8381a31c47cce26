"""The thin shell of gmai: the `gmai` script, its plug-ins, the error boundary, the console, `doctor` and `demo`."""
