"""The backbone ``wan``: the image-to-video models Wan2.1 and Wan2.2 of Alibaba (2025)."""
