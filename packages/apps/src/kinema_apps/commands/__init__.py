"""The commands of ``kinema``, one file each; what they need is imported when they run."""
