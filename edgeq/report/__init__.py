"""What a run found out: `report.json` by its schema, and the same as HTML and Markdown. Pure: text in, text out."""
