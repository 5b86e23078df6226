"""Command trees: commands as values, composed across wheels and given to argparse when they are typed."""
