"""A page about an evaluation, for quality engineers: static, without scripts, readable offline."""
