"""The page Words: what runs trained with captions draw for a prompt, stored or asked for now."""
