"""What is done beside a run: two runs compared, contamination, a judge, submissions, the Hub."""
