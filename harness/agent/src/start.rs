//! What a libc would do before `main`: find the arguments on the stack, call, exit.

use core::ffi::{CStr, c_char};

use crate::sys;

/// The process arguments after the program's name.
pub struct Args {
    next: *const *const c_char,
}

impl Iterator for Args {
    type Item = &'static CStr;

    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: `next` points into argv, which the kernel ends with a null pointer that is never stepped over; the strings
        // live on the initial stack for as long as the process does.
        unsafe {
            let arg = *self.next;
            if arg.is_null() {
                return None;
            }
            self.next = self.next.add(1);
            Some(CStr::from_ptr(arg))
        }
    }
}

/// The ELF entry point.
///
/// # Safety
///
/// For the kernel only: expects the initial stack, argc on top.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    #[cfg(target_arch = "x86_64")]
    core::arch::naked_asm!(
        "xor ebp, ebp", // the outermost frame
        "mov rdi, rsp",
        "and rsp, -16",
        "call {enter}",
        "ud2",
        enter = sym enter,
    );
    #[cfg(target_arch = "aarch64")]
    core::arch::naked_asm!(
        "mov x29, xzr",
        "mov x30, xzr",
        "mov x0, sp",
        "b {enter}",
        enter = sym enter,
    );
}

unsafe extern "C" fn enter(stack: *const usize) -> ! {
    // SAFETY: the kernel puts argc at the stack's top and argv, null-terminated, right after it. argc may be 0: then argv's
    // end is also its start and must not be stepped over.
    let next = unsafe { stack.add(1 + (*stack).min(1)).cast() };
    sys::exit(crate::main(Args { next }))
}

/// Nothing is expected to panic; a message would pull in the formatting code, so the status alone has to tell.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    sys::complain(&["agent: panicked\n"]);
    sys::exit(101)
}
