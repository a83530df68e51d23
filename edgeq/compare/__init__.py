"""Two runs side by side: what became better or worse, by how much, and whether a gate lets it pass. Pure: values in,
findings and texts out."""
