"""A mutation run (mutmut): what makes it quick, and its figures. docs/mutants.md says what it came to."""
