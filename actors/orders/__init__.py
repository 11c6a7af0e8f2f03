"""What venues with order books share on a shard: orders come in, are cancelled, are filled and move positions."""
