//! Records with images: the time must depend on the head and not on the image.
//!
//! `cargo bench --bench blob`

use std::hint::black_box;

use bs2_events::codec::blob::{BlobHead, BlobSubject, EventBlob, ExtInfo};
use bs2_events::codec::portable::PortableBlob;
use bs2_events::codec::{DeviceId, EventCode, JobCode, Timestamp, UserId};
use criterion::{BenchmarkId, Criterion};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let user = UserId::new("1001").unwrap();
    let info = ExtInfo::new(Timestamp::from_unix_seconds(7), DeviceId::new(1), EventCode::VERIFY_SUCCESS);
    let head = BlobHead::new(7)
        .with_info(info)
        .with_subject(BlobSubject::User(&user))
        .with_tna_key(3)
        .with_job_code(JobCode(4));
    for size in [0, 1_024, 16_384] {
        let image = vec![0xD8; size];
        let mut blob = vec![0; EventBlob::SIZE];
        EventBlob::fill(&mut blob, head, &image).unwrap();
        let mut portable = Vec::new();
        PortableBlob::new(head, &image[..]).unwrap().encode(&mut portable);

        let mut group = criterion.benchmark_group("head and image");
        group.bench_with_input(BenchmarkId::new("blob", size), &blob[..], |bencher, bytes| {
            bencher.iter(|| touch_blob(black_box(bytes)));
        });
        group.bench_with_input(BenchmarkId::new("portable blob", size), &portable[..], |bencher, bytes| {
            bencher.iter(|| touch_portable(black_box(bytes)));
        });
        group.finish();
    }
    criterion.final_summary();
}

fn touch_blob(bytes: &[u8]) -> (u32, bool, usize) {
    let blob = EventBlob::from_bytes(bytes).unwrap();
    let is_user = matches!(blob.head().subject(), BlobSubject::User(_));
    (blob.head().id(), is_user, blob.image().map_or(0, <[u8]>::len))
}

fn touch_portable(bytes: &[u8]) -> (u32, bool, usize) {
    let blob = PortableBlob::decode(bytes).unwrap();
    let is_user = matches!(blob.head().subject(), BlobSubject::User(_));
    (blob.head().id(), is_user, blob.image().map_or(0, <[u8]>::len))
}
