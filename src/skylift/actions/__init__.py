"""Steps as plain data with three verbs; one file per step, or per step and its way back."""
