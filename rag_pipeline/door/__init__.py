"""Who may ask a replica, how often, and what a refusal says. It knows no release."""
