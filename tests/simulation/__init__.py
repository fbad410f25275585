"""The lane in simulation: the real code under virtual time and faults, one seed after the other."""
