"""What an administrator does with partners; knows no HTTP."""
