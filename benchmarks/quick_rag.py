"""`rag` as a module, for profilers that run one. `quick.py` uses it."""

from rag_pipeline.cli import main

if __name__ == "__main__":
    main()
