//! The allocator: power-of-two size classes over anonymous mappings. The process is single-threaded and short-lived or
//! (serving) allocates the same few sizes again and again, so freed blocks are kept for their class and never given back.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::{self, null_mut};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

const SMALLEST: u32 = 5; // 32 bytes: the free list's link fits in
const LARGEST: u32 = 14; // 16 KiB; beyond, a mapping for each
const CLASSES: usize = (LARGEST - SMALLEST + 1) as usize;
const CHUNK: usize = 64 << 10;

struct Heap(UnsafeCell<State>);

struct State {
    free: [*mut Free; CLASSES],
    fresh: *mut u8,
    left: usize,
}

struct Free {
    next: *mut Free,
}

// SAFETY: the process has one thread, and no signal handler allocates.
unsafe impl Sync for Heap {}

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(State { free: [null_mut(); CLASSES], fresh: null_mut(), left: 0 }));

fn class(layout: Layout) -> Option<u32> {
    // A block is aligned to its own (power of two) size within a chunk, which is aligned to a page or better.
    let bits = layout.size().max(layout.align()).checked_next_power_of_two()?.trailing_zeros();
    (bits <= LARGEST).then_some(bits.max(SMALLEST))
}

fn map(size: usize) -> *mut u8 {
    // SAFETY: a fresh anonymous mapping disturbs nothing.
    unsafe { mmap_anonymous(null_mut(), size, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) }
        .map_or(null_mut(), |start| start.cast())
}

// SAFETY: blocks come from live mappings, are big and aligned enough for their layout (page alignment suffices for every
// layout of this program), and belong to one owner until they are freed.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(bits) = class(layout) else {
            return map(layout.size());
        };
        // SAFETY: one thread, and no reference outlives this call.
        let state = unsafe { &mut *self.0.get() };
        let list = &mut state.free[(bits - SMALLEST) as usize];
        if !list.is_null() {
            let block = *list;
            // SAFETY: a block on the free list is unused and holds its link.
            *list = unsafe { (*block).next };
            return block.cast();
        }
        let size = 1 << bits;
        // Bumping up to a multiple of the size keeps every block aligned to it.
        let gap = |fresh: *mut u8| (fresh as usize).wrapping_neg() & (size - 1);
        if state.left < gap(state.fresh) + size {
            state.fresh = map(CHUNK);
            state.left = if state.fresh.is_null() { 0 } else { CHUNK };
        }
        let skip = gap(state.fresh);
        let Some(left) = state.left.checked_sub(skip + size) else {
            return null_mut();
        };
        // SAFETY: the chunk has been checked to have so much left.
        let block = unsafe { state.fresh.add(skip) };
        // SAFETY: as above; at most one past the chunk's end.
        state.fresh = unsafe { block.add(size) };
        state.left = left;
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(bits) = class(layout) else {
            // SAFETY: mapped by `alloc` with this very size.
            let _ = unsafe { munmap(block.cast(), layout.size()) };
            return;
        };
        // SAFETY: one thread; the block is the caller's no more, and large and aligned enough for the link.
        unsafe {
            let list = &mut (*self.0.get()).free[(bits - SMALLEST) as usize];
            ptr::write(block.cast(), Free { next: *list });
            *list = block.cast();
        }
    }
}
