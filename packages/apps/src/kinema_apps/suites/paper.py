"""What MotionPro's paper reports, number by number.

Z. Zhang et al., "MotionPro: A Precise Motion Controller for Image-to-Video Generation", CVPR 2025,
arXiv:2505.20287v1. Figures 6 and 8 are drawings without numbers, so nothing of them is here.
"""

from kinema.evaluation.published import SECONDS, PublishedTable

PAPER = "MotionPro (CVPR 2025, arXiv:2505.20287v1)"

_FORM = (
    "Videos of 16 frames at 512x320. MotionPro is Stable Video Diffusion, trained on WebVid-10M "
    "with 6 A800 GPUs, 48 clips per update"
)
_ON_WEBVID = (
    "1,000 clips of WebVid-10M's validation set, 15 % of the flow as trajectories; frame "
    f"consistency has CLIP's features. {_FORM}"
)
_ON_MC_BENCH = (
    "MD-Img finds points with DIFT, MD-Vid follows them with CoTracker, frame consistency has "
    f"CLIP's features. {_FORM}"
)

TABLE_1 = PublishedTable(
    source=f"{PAPER}, table 1",
    protocol=_ON_WEBVID,
    numbers={
        "dragnuwa": {"FVD": 96.65, "FID": 13.19, "Frame consistency": 0.9888},
        "mofa-video": {"FVD": 87.70, "FID": 12.18, "Frame consistency": 0.9894},
        "motionpro": {"FVD": 59.88, "FID": 10.40, "Frame consistency": 0.9895},
    },
)

TABLE_2 = PublishedTable(
    source=f"{PAPER}, table 2; average flow magnitude from section 4.2",
    protocol=f"460 items of MC-Bench. {_ON_MC_BENCH}",
    subset="fine-grained",
    numbers={
        "dragdiffusion": {"MD-Img": 14.70, "MD-Vid": 13.84, "Frame consistency": 0.9947},
        "mofa-video": {
            "MD-Img": 13.94,
            "MD-Vid": 10.50,
            "Frame consistency": 0.9972,
            "Average flow magnitude": 4.95,
        },
        "motionpro": {
            "MD-Img": 10.56,
            "MD-Vid": 8.34,
            "Frame consistency": 0.9962,
            "Average flow magnitude": 8.95,
        },
    },
)

TABLE_3 = PublishedTable(
    source=f"{PAPER}, table 3",
    protocol=f"680 items of MC-Bench. {_ON_MC_BENCH}",
    subset="object-level",
    numbers={
        "mofa-video": {"MD-Img": 15.56, "MD-Vid": 12.04, "Frame consistency": 0.9951},
        "draganything": {"MD-Img": 12.30, "MD-Vid": 11.37, "Frame consistency": 0.9917},
        "motionpro": {"MD-Img": 10.48, "MD-Vid": 8.59, "Frame consistency": 0.9943},
    },
)

ABLATIONS = PublishedTable(
    source=f"{PAPER}, section 6.4",
    protocol=_ON_WEBVID,
    numbers={
        "random-trajectory": {"FVD": 73.7},
        "no-mask": {"FVD": 66.2},
        "motionpro": {"FVD": 59.88},
    },
)

RUNTIME = PublishedTable(
    source=f"{PAPER}, section 6.7",
    protocol="One H100 GPU; videos of 16 frames at 512x320",
    numbers={
        "dragnuwa": {SECONDS: 27},
        "dragdiffusion": {SECONDS: 320},
        "mofa-video": {SECONDS: 15},
        "draganything": {SECONDS: 32},
        "motionpro": {SECONDS: 17},
    },
)
