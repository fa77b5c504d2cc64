"""What a study makes: the panels that its runs fall into, and the catalogue of what is made of each."""
