//! The tests are in `it/`: one binary, black-box through the gateway of the local stack.
