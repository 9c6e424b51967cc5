//! The tests of this package live in `tests/`; this library is empty.
