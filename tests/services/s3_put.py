#!/usr/bin/env python3
"""Puts files into a bucket of an S3 server, with nothing of the program under test: s3_put.py PORT BUCKET FOLDER [public]

The bucket is made where it is not there. Each file below FOLDER becomes an object, its key the path from there.
With "public" everybody may list and read the bucket. Requests are signed as https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html says."""

import datetime
import hashlib
import hmac
import http.client
import json
import os
import sys
import urllib.parse

KEY, SECRET, REGION = "testkey", "testsecret", "us-east-1"


def sign(secret, text):
    return hmac.new(secret, text.encode(), hashlib.sha256).digest()


def put(connection, host, path, body, query=""):
    now = datetime.datetime.now(datetime.timezone.utc)
    time, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": time}
    path = urllib.parse.quote(path, safe="/-_.~")
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"PUT\n{path}\n{query}\n{lines}\n{names}\n{digest}"
    scope = f"{day}/{REGION}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    secret = ("AWS4" + SECRET).encode()
    for part in (day, REGION, "s3", "aws4_request"):
        secret = sign(secret, part)
    signature = sign(secret, text).hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    connection.request("PUT", f"{path}?{query}" if query else path, body=body, headers=headers)
    answer = connection.getresponse()
    said = answer.read()
    return answer.status, said


port, bucket, folder, *public = sys.argv[1:]
host = f"127.0.0.1:{port}"
connection = http.client.HTTPConnection(host, timeout=60)
status, said = put(connection, host, f"/{bucket}", b"")
if status not in (200, 409):
    sys.exit(f"bucket {bucket}: {status} {said}")
for directory, _, names in os.walk(folder):
    for name in names:
        path = os.path.join(directory, name)
        with open(path, "rb") as file:
            body = file.read()
        status, said = put(connection, host, f"/{bucket}/{os.path.relpath(path, folder)}", body)
        if status != 200:
            sys.exit(f"{path}: {status} {said}")
if public:
    names = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    allowed = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": names}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    status, said = put(connection, host, f"/{bucket}", policy.encode(), "policy=")
    if status not in (200, 204):
        sys.exit(f"policy: {status} {said}")
