url=${KINEMA_URL:-http://127.0.0.1:8765}
job=$(curl -fsS "$url/v1/jobs" -F photo=@photo.jpg -F 'job={
    "motion": {
        "format": "kinema.motion/1",
        "canvas": [640, 427],
        "drags": [{"points": [[200, 150], [260, 130]]}]
    }}' | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
curl -fsSN "$url/v1/jobs/$job/events"
curl -fsS "$url/v1/jobs/$job/video.mp4" -o out.mp4
