"""Pure questions to a Cloud; every finding carries remedies."""
