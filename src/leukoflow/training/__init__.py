"""Training: batches from shards, augmentation, recipes, a loop that survives being killed."""
