"""The engine that is always there: transformers models, sampled and scored with shared prompts."""
