console.error('this worker always crashes');
process.exit(3);
