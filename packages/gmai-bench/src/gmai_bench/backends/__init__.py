"""Who answers: a local Hugging Face checkpoint."""
