"""Slurm scripts for a site, and checks of what usually goes wrong there."""
