"""The kinema command, the studio and the benchmarks."""
