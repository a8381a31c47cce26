"""Masks, boxes, outlines and labels of every kind ▶ what is marked on their picture or volume."""
