"""Answer text ▶ option, with the rule that fired; never a guess."""
