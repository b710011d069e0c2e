#!/usr/bin/env bats
# Videos: times, rotation, sound, every output, standard input.
load helper

@test "every frame, in order, with the container's times" {
    need "$MODEL"
    clip 30 clip.mp4
    detect clip.mp4
    exits 0
    json_lines out 30
    [ "$(jq -s '[.[].frame] == [range(30)]' out)" = true ]
    jq -s '[range(30) as $i | .[$i].time - $i / 25 | fabs < 0.001] | all' out | grep -q true
    says "30 frames"
}

@test "60 frames a second are 60" {
    need "$MODEL"
    ffmpeg -nostdin -v error -r 60 -i "$BIKES" -frames:v 20 -c:v libx264 -preset ultrafast -an clip.mp4
    detect clip.mp4 --save-jsonl lines.jsonl --save-video out.mp4
    exits 0
    jq -s '.[19].time - 19 / 60 | fabs < 0.001' lines.jsonl | grep -q true
    [ "$(ffprobe -v error -select_streams v -show_entries stream=avg_frame_rate -of csv=p=0 out.mp4)" = 60/1 ]
}

@test "variable frame rate: each frame at its own time, in the annotated video too" {
    need "$MODEL"
    clip 20 clip.mkv -vf "settb=1/1000,setpts='if(lt(N,10),N*0.02,0.2+(N-10)*0.1)/TB'" -vsync passthrough -enc_time_base 0.001
    detect clip.mkv --save-jsonl lines.jsonl --save-video out.mp4
    exits 0
    jq -s '((.[5].time - 0.1 | fabs) < 0.002) and ((.[15].time - 0.7 | fabs) < 0.002)' lines.jsonl | grep -q true
    ffprobe -v error -select_streams v -show_entries packet=pts_time -of csv=p=0 out.mp4 | tr -d , | sort -n >times
    awk 'NR == 6 && ($1 < 0.097 || $1 > 0.103) || NR == 16 && ($1 < 0.697 || $1 > 0.703) { bad = 1 }
        END { exit bad || NR != 20 }' times
}

@test "a video that is stored on its side is looked at upright" {
    need "$MODEL"
    clip 10 plain.mp4
    ffmpeg -nostdin -v error -i plain.mp4 -c copy -metadata:s:v rotate=90 turned.mp4
    if ! ffprobe -v error -show_streams turned.mp4 | grep -q 'rotation=-\?90'; then
        ffmpeg -nostdin -v error -y -display_rotation 90 -i plain.mp4 -c copy turned.mp4
    fi
    detect turned.mp4 --save-jsonl lines.jsonl --save-video out.mp4 --stats stats.json
    exits 0
    json_lines lines.jsonl 10
    [ "$(ffprobe -v error -select_streams v -show_entries stream=width,height -of csv=p=0 out.mp4)" = 272,640 ]
    jq -e '.input.height == 320 and .input.width == 160' stats.json
}

@test "pixels that are not square stay so, and turn with the picture" {
    need "$MODEL"
    clip 3 wide.mp4 -vf setsar=16/11
    detect wide.mp4 --save-video out.mp4
    exits 0
    [ "$(ffprobe -v error -select_streams v -show_entries stream=sample_aspect_ratio -of csv=p=0 out.mp4)" = 16:11 ]
    ffmpeg -nostdin -v error -i wide.mp4 -c copy -metadata:s:v rotate=90 turned.mp4
    if ! ffprobe -v error -show_streams turned.mp4 | grep -q 'rotation=-\?90'; then
        ffmpeg -nostdin -v error -y -display_rotation 90 -i wide.mp4 -c copy turned.mp4
    fi
    detect turned.mp4 --save-video out.mp4
    exits 0
    [ "$(ffprobe -v error -select_streams v -show_entries stream=sample_aspect_ratio -of csv=p=0 out.mp4)" = 11:16 ]
}

@test "annotated video: H.264, every frame, the size, the sound" {
    need "$MODEL"
    need "$BUNNY"
    detect "$BUNNY" --max-frames 30 --save-video out.mp4
    exits 0
    [ "$(frames_in out.mp4)" -eq 30 ]
    [ "$(ffprobe -v error -select_streams v -show_entries stream=codec_name,width,height -of csv=p=0 out.mp4)" = h264,1280,720 ]
    [ "$(ffprobe -v error -select_streams a -show_entries stream=codec_name -of csv=p=0 out.mp4)" = \
        "$(ffprobe -v error -select_streams a -show_entries stream=codec_name -of csv=p=0 "$BUNNY")" ]
    ffprobe -v error -select_streams a -show_entries packet=pts_time -of csv=p=0 out.mp4 | tail -n 1 | tr -d , |
        awk '{ exit $1 < 1 || $1 > 1.4 }'
    # The picture is the source's, but for what is drawn on it.
    ffmpeg -nostdin -v info -i out.mp4 -i "$BUNNY" -frames:v 10 -lavfi psnr -f null - 2>&1 |
        sed -n 's/.*average:\([0-9.]*\).*/\1/p' | awk '{ exit $1 < 25 }'
}

@test "annotated video at half the size" {
    need "$MODEL"
    clip 5 clip.mp4
    detect clip.mp4 --save-video out.mkv --video-scale 0.5
    exits 0
    [ "$(ffprobe -v error -select_streams v -show_entries stream=width,height -of csv=p=0 out.mkv)" = 320,136 ]
    # By resolution, from the settings' table.
    echo '{"resolutions": [{"width": 640, "height": 272, "batch": 2, "scale": 0.25}]}' >table.json
    detect clip.mp4 --save-video out.mkv --video-scale 0 --config table.json
    exits 0
    [ "$(ffprobe -v error -select_streams v -show_entries stream=width,height -of csv=p=0 out.mkv)" = 160,68 ]
}

@test "several videos in a folder give several annotated videos" {
    need "$MODEL"
    mkdir clips out_clips
    clip 5 clips/a.mp4
    clip 7 clips/b.mp4
    detect clips --save-video out_clips --save-jsonl lines.jsonl
    exits 0
    [ "$(frames_in out_clips/a.mp4)" -eq 5 ]
    [ "$(frames_in out_clips/b.mp4)" -eq 7 ]
    [ "$(jq -r .source lines.jsonl | uniq -c | awk '{ print $1 $2 }' | tr '\n' ' ')" = "5clips/a.mp4 7clips/b.mp4 " ]
}

@test "every output of one run agrees" {
    need "$MODEL"
    clip 12 clip.mp4
    detect clip.mp4 --save-jsonl lines.jsonl --save-coco coco.json --save-mot mot.txt --save-video out.mp4 --stats stats.json
    exits 0
    [ ! -s out ]
    json_lines lines.jsonl 12
    found=$(jq -s '[.[].detections | length] | add' lines.jsonl)
    [ "$found" -gt 0 ]
    [ "$(jq length coco.json)" -eq "$found" ]
    [ "$(wc -l <mot.txt)" -eq "$found" ]
    [ "$(jq .detections stats.json)" -eq "$found" ]
    [ "$(jq .frames stats.json)" -eq 12 ]
    jq -e 'map(.image_id) | min >= 0 and max <= 11' coco.json
    awk -F, 'NF != 10 || $1 < 1 || $1 > 12 || $5 <= 0 || $6 <= 0 || $7 <= 0 { exit 1 }' mot.txt
    # The first box is the same in all three.
    jq -r '.detections[0] | .box | "\(.[0]) \(.[1]) \(.[2] - .[0]) \(.[3] - .[1])"' lines.jsonl | head -n 1 >a
    jq -r '.[0].bbox | "\(.[0]) \(.[1]) \(.[2]) \(.[3])"' coco.json >b
    head -n 1 mot.txt | cut -d, -f3-6 | tr , ' ' >c
    paste a b c | awk '{ for (i = 1; i <= 4; i++) if (($i - $(i + 4)) ^ 2 > 0.01 || ($i - $(i + 8)) ^ 2 > 0.01) exit 1 }'
    says "lines.jsonl, coco.json, mot.txt, out.mp4, stats.json"
}

@test "the same, whatever the batch, the threads and the requests" {
    need "$MODEL"
    clip 9 clip.mp4
    detect clip.mp4 --batch 1
    jq -c '[.frame, [.detections[] | [.name, (.confidence * 100 | round), (.box[] | round)]]]' out >first
    [ "$(wc -l <first)" -eq 9 ]
    for how in "--batch 4" "--batch auto --threads 1" "--batch 2 --streams 2" "--queue 1 --warmup 0"; do
        detect clip.mp4 $how
        exits 0
        jq -c '[.frame, [.detections[] | [.name, (.confidence * 100 | round), (.box[] | round)]]]' out >next
        [ "$(paste -d'\n' first next | uniq | wc -l)" -le 11 ] || { diff first next; return 1; }
    done
}

@test "the video's aspect gives the network's shape" {
    need "$MODEL"
    clip 2 clip.mp4
    yolk detect clip.mp4 --model "$MODEL" --stats stats.json
    jq -e '.input == {"width": 640, "height": 288}' stats.json
}

@test "max-frames and loop" {
    need "$MODEL"
    clip 10 clip.mp4
    detect clip.mp4 --max-frames 4
    json_lines out 4
    detect clip.mp4 --loop 3 --stats stats.json --save-jsonl lines.jsonl
    json_lines lines.jsonl 30
    jq -e '.frames == 30' stats.json
    # As with ffmpeg's -stream_loop and -frames, the limit is for all rounds together.
    detect clip.mp4 --loop 2 --max-frames 13
    json_lines out 13
}

@test "y4m on standard input" {
    need "$MODEL"
    clip 8 clip.mp4
    detect clip.mp4
    cp out from_file
    ffmpeg -nostdin -v error -i clip.mp4 -f yuv4mpegpipe - | "$YOLK" detect - --model "$MODEL" --imgsz 320 >from_pipe 2>err
    json_lines from_pipe 8
    jq -c '[.frame, .time, [.detections[].name]]' from_file >a
    jq -c '[.frame, .time, [.detections[].name]]' from_pipe >b
    cmp a b
}

@test "lines come while the run goes" {
    need "$MODEL"
    clip 8 clip.mp4
    mkfifo pipe
    "$YOLK" detect - --model "$MODEL" --imgsz 320 --batch 1 <pipe 2>/dev/null |
        { read -r line && echo "$line" >first && cat >rest; } &
    {
        ffmpeg -nostdin -v error -i clip.mp4 -f yuv4mpegpipe - | {
            cat
            # The stream stays open until the first line has been seen.
            for _ in $(seq 200); do [ -s first ] && break || sleep 0.1; done
            [ -s first ] && touch in_time
        }
    } >pipe
    wait
    [ -e in_time ]
    json_lines first 1
    json_lines rest 7
}

@test "pipes by name: read once, written once" {
    need "$MODEL"
    clip 5 clip.mp4
    mkfifo in.pipe out.mkv
    mkdir folder
    ffmpeg -nostdin -v error -y -i clip.mp4 -f yuv4mpegpipe in.pipe &
    detect clip.mp4 in.pipe --save-video folder --save-jsonl lines.jsonl
    exits 0
    wait
    json_lines lines.jsonl 10
    [ "$(frames_in folder/in.mp4)" -eq 5 ]
    cat out.mkv >got.mkv &
    detect clip.mp4 --save-video out.mkv
    exits 0
    wait
    [ "$(frames_in got.mkv)" -eq 5 ]
}

@test "other containers and codecs" {
    need "$MODEL"
    clip 5 a.mkv
    clip 5 b.mov
    ffmpeg -nostdin -v error -i "$BIKES" -frames:v 5 -c:v mpeg4 -an c.avi
    ffmpeg -nostdin -v error -i "$BIKES" -frames:v 5 -c:v mjpeg -an d.avi
    clip 5 e.ts
    for file in a.mkv b.mov c.avi d.avi e.ts; do
        detect $file
        exits 0
        json_lines out 5 || { echo "# $file"; return 1; }
    done
}

@test "10 bits a sample" {
    need "$MODEL"
    clip 3 clip.mp4 -pix_fmt yuv420p10le || skip "this ffmpeg cannot encode 10 bits"
    detect clip.mp4
    exits 0
    json_lines out 3
}
