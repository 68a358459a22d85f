/**
 * S3-compatible stores, by `fetch` and signed requests (AWS Signature Version 4).
 *
 * Keys and place come from the usual variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION
 * (or AWS_DEFAULT_REGION), and AWS_ENDPOINT_URL_S3 (or AWS_ENDPOINT_URL) for stores other than Amazon's. Without keys,
 * requests are not signed, which public buckets take.
 *
 * @module
 */

import { AwsV4Signer } from "aws4fetch";
import { RemoteFile, type RemoteOptions, type RemoteTarget } from "./remote.ts";
import { SourceError } from "./source.ts";

/** Where the file of an `s3://bucket/key` lies and how requests for it are signed. */
export function s3Request(address: string): RemoteTarget {
  const { bucket, key } = parse(address);
  return { url: `${bucketUrl(bucket)}/${encodeKey(key)}`, sign };
}

/**
 * The addresses of all keys under a prefix, sorted.
 *
 * @param address `s3://bucket/prefix`
 * @throws SourceError when the store refuses or cannot be reached
 */
export async function listS3(
  address: string,
  options: RemoteOptions,
  signal?: AbortSignal,
): Promise<string[]> {
  const { bucket, key: prefix } = parse(address);
  const found: string[] = [];
  let more: string | undefined;
  do {
    const query = new URLSearchParams({ "list-type": "2", "encoding-type": "url", prefix });
    if (more !== undefined) query.set("continuation-token", more);
    const url = `${bucketUrl(bucket)}/?${query.toString().replaceAll("+", "%20")}`;
    const page = new RemoteFile(address, { url, sign }, options);
    const xml = await new Response(page.stream(signal)).text();
    for (const [, key] of xml.matchAll(/<Key>([^<]*)<\/Key>/g)) {
      found.push(`s3://${bucket}/${decodeURIComponent(key.replaceAll("+", "%20"))}`);
    }
    more = /<NextContinuationToken>([^<]*)<\/NextContinuationToken>/.exec(xml)?.[1].replaceAll("&amp;", "&");
  } while (more !== undefined);
  return found.filter((each) => !each.endsWith("/")).sort();
}

function parse(address: string): { bucket: string; key: string } {
  const match = /^s3:\/\/([^/]+)\/?(.*)$/i.exec(address);
  if (!match) throw new SourceError(`"${address}" names no bucket: write s3://bucket/key`, address);
  return { bucket: match[1], key: match[2] };
}

function bucketUrl(bucket: string): string {
  const endpoint = variable("AWS_ENDPOINT_URL_S3") ?? variable("AWS_ENDPOINT_URL");
  if (endpoint !== undefined) return `${endpoint.replace(/\/+$/, "")}/${bucket}`;
  // Amazon's certificate does not cover names with dots.
  return bucket.includes(".")
    ? `https://s3.${region()}.amazonaws.com/${bucket}`
    : `https://${bucket}.s3.${region()}.amazonaws.com`;
}

function encodeKey(key: string): string {
  return key.split("/").map(encodeURIComponent).join("/");
}

async function sign(method: string, url: string, headers: Headers): Promise<Headers> {
  const accessKeyId = variable("AWS_ACCESS_KEY_ID"), secretAccessKey = variable("AWS_SECRET_ACCESS_KEY");
  if (accessKeyId === undefined || secretAccessKey === undefined) return headers;
  const signer = new AwsV4Signer({
    method,
    url,
    headers,
    accessKeyId,
    secretAccessKey,
    sessionToken: variable("AWS_SESSION_TOKEN"),
    service: "s3",
    region: region(),
  });
  return (await signer.sign()).headers;
}

function region(): string {
  return variable("AWS_REGION") ?? variable("AWS_DEFAULT_REGION") ?? "us-east-1";
}

/** An environment variable, undefined where it is empty. */
function variable(name: string): string | undefined {
  return Deno.env.get(name) || undefined;
}
