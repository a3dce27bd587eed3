"""How jobs run in NNI: its engines, its trials, its tuners, and how an experiment goes on."""
