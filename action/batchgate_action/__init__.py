"""The helpers of the GitHub Action.  Standard library only; the plugin itself is run, never imported."""
