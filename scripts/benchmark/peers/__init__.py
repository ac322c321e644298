"""What a user would run instead: the tools that the bench compares with, each as its users set it up."""
