"""Cards of datasets: validated, bundled, drafted, listed and documented."""
