"""`python -m linewatch` is `linewatch`: child processes are started so, whatever is on the PATH."""

from linewatch.cli import main

if __name__ == "__main__":
    main()
