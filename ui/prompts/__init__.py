"""The page Words: what runs trained with captions draw for a prompt, stored or asked for now."""

GUIDANCES = (0.0, 1.0, 2.0, 4.0)  # the first tells the network nothing
SEEDS = tuple(range(6))
SAMPLER, STEPS = "dpmpp-2m", 18  # nineteen calls: a visitor waits half as long as for Heun
