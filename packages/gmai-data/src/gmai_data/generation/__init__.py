"""Annotation ▶ samples: versioned wording, the offline template writer, multiple-choice questions."""
