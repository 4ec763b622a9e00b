"""What the Quality page is made of: periods and shifts, charts as SVG, tables, words."""
