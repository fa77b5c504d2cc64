"""What is known of each image and between images: quality, duplicates, acquisition clusters, splits and their audit."""
