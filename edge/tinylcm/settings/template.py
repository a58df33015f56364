"""What `tinylcm init` writes: every key with its default."""

TEMPLATE = """\
# Configuration of one TinyLCM device. Paths are relative to this file.

[device]
device_id = "{device_id}"
# display_name = "Gate 1"
data_dir = "state"                   # everything the device must not lose
mode = "VALIDATED_LEARNING"          # AUTONOMOUS, MONITORING_ONLY, VALIDATED_LEARNING or CENTRALIZED
# labels = {{ site = "hall-2" }}
# location = {{ latitude_deg = 52.52, longitude_deg = 13.40 }}

[source]
kind = "folder"                      # "folder" of recordings (.npz), one "recording", "camera", "serial" or "socket"
path = "inbox"
frames_per_second = 0               # 0: the recording's own rate, else as fast as possible
at_end = "wait"                      # "wait" (folder), "stop" or "loop"

## Live sources have other keys; docs/inputs.md tells more. A camera:
## kind = "camera"
## device = "0"                      # number, device, video file or URL, as OpenCV takes it
## fit = "crop"                      # "crop": the middle of the picture; "stretch": all of it
## frames_per_second = 0             # 0: all that it gives

## A sensor on a serial line:
## kind = "serial"
## path = "/dev/ttyACM0"
## baud_rate = 115200
## format = "frames"                 # "frames" with header and checksum, or "readings", a line each
## hop_readings = 0                  # readings between the beginnings of two windows; 0: a whole window

## A process that sends to the device:
## kind = "socket"
## path = "sensor.sock"
## format = "frames"
## hop_readings = 0

[model]
trusted_keys = []                    # files with public keys; bundles signed by others are refused
thread_count = 1
trial_frame_count = 50               # predictions a new bundle must survive before it counts as committed

# Without this section the device works alone.
# [server]
# ingestion_target = "127.0.0.1:7101"
# drift_target = "127.0.0.1:7102"
# distribution_target = "127.0.0.1:7103"
# request_timeout_s = 10.0
# stall_timeout_s = 60.0             # a transfer without progress for so long is begun again
# retry_max_s = 15.0                 # longest pause between attempts that a server answered
# max_bytes_per_s = 0.0              # bandwidth of packages on their way up; 0 for no limit
# max_download_bytes_per_s = 0.0     # bandwidth of bundles on their way down; 0 for no limit

[adaptation]
evidence_sample_count = 60           # most samples sent of one drift
collect_sample_count = 200           # samples collected before the best of them are chosen
quarantine_sample_count = 400
quarantine_max_bytes = 16777216
send_images = true                   # false: features only, pictures never leave the device

[outbox]
max_bytes = 67108864
max_age_s = 2592000.0                # of running time
samples_per_day = 2000               # more are not sent; drift events always are
sample_bytes_per_day = 67108864      # before compression

[metrics]
every_s = 60.0

[snapshots]
keep_count = 3
every_frame_count = 500
every_s = 30.0

[predictions]
max_bytes = 16777216                 # of one file of the prediction log
keep_count = 2                       # older files kept beside it

[log]
level = "INFO"
"""
