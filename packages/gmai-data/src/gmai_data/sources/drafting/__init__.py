"""What a folder of unknown files says of a card for it, layout by layout."""
