"""Everything that leans on private names of NNI 3.0; each work-around has a test that guards it."""
